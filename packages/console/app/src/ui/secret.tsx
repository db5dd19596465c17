import { useRef, useState } from "react";

/** A secret that is shown this one time, to be copied. */
export function Secret({ text, label }: { readonly text: string; readonly label: string | undefined }) {
  const input = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  const copy = async () => {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied.");
    } catch {
      // Browsers let a page copy only where it came over TLS or from this machine, and where they are asked to.
      setSaid("It is selected: copy it with your keyboard.");
    }
  };
  return (
    <div className="secret">
      <label>
        <span>{label ?? "Shown this one time: what is stored is a hash."}</span>
        <input
          ref={input}
          className="secret-text"
          readOnly
          value={text}
          onFocus={() => input.current?.select()}
        />
      </label>
      <button className="button" type="button" onClick={() => void copy()}>
        Copy
      </button>
      <p role="status" className="muted small">
        {said}
      </p>
    </div>
  );
}
