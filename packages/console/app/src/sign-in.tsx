import { type FormEvent, useEffect, useState } from "react";
import { type SignedIn, signIn } from "./session.ts";
import { Command } from "./ui/states.tsx";

/** Ways to open the console. */
export function SignIn({ signedIn: { notice, busy } }: { readonly signedIn: SignedIn }) {
  useEffect(() => {
    document.title = "Sign in · Licentric";
  }, []);
  return (
    <main className="sign-in">
      <Mark />
      <h1>Open the console</h1>
      {busy ? (
        <p role="status">Signing in…</p>
      ) : (
        <>
          {notice !== null && (
            <p className="notice" role="alert">
              {notice}
            </p>
          )}
          <p>Where the command line has a key of this server, this prints a link that opens the console:</p>
          <Command>npx licentric console</Command>
          <p className="muted">
            The link works once, within a minute. Add <code>--role finance</code> or <code>--role read</code>{" "}
            to open it with less than full access.
          </p>
          <CodeForm />
        </>
      )}
      <p className="muted small">
        The key that this tab gets stays in its memory: loading the page again signs you out.
      </p>
    </main>
  );
}

/** Takes a code, or the link that it came in. */
export function CodeForm() {
  const [code, setCode] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void signIn(code);
    setCode("");
  };
  return (
    <form className="code-form" onSubmit={submit}>
      <label>
        <span>Or paste the link here</span>
        <input
          value={code}
          onChange={({ target }) => setCode(target.value)}
          autoComplete="off"
          spellCheck={false}
          required
        />
      </label>
      <button className="button primary" type="submit">
        Sign in
      </button>
    </form>
  );
}

/** The sign of the product. */
export function Mark() {
  return (
    <span className="mark" aria-hidden="true">
      <svg viewBox="0 0 32 32" width="28" height="28" focusable="false" role="presentation">
        <rect width="32" height="32" rx="8" className="mark-ground" />
        <path d="M11 8v14h10" className="mark-line" />
      </svg>
    </span>
  );
}
