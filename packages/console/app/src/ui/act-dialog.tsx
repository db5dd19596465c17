import { Dialog } from "@base-ui/react/dialog";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Act, type Field, type Send, settle, type Values } from "../acts/act.ts";
import { request } from "../api.ts";
import { queryClient } from "../queries.ts";
import { type Session, useSession } from "../session.ts";
import { ActField } from "./act-field.tsx";
import { Secret } from "./secret.tsx";
import { Problem } from "./states.tsx";

/** Asks about a change, makes it, and says what came of it or why it was not made. */
export default function ActDialog<Answer>({
  act,
  trigger,
}: {
  readonly act: Act<Answer>;
  readonly trigger: HTMLElement;
}) {
  const session = useSession();
  const [send] = useState(() => sender(session));
  const mutation = useMutation({
    mutationKey: [session.id],
    mutationFn: (values: Values) => act.perform(values, send),
    // An answer may hold a secret.
    gcTime: 0,
    onSettled: () => void queryClient.invalidateQueries(),
    onSuccess: (answer) => {
      if (act.outcome === undefined && act.secret === undefined) settle(sentence(act, answer));
    },
  });
  const { data, isPending, isSuccess } = mutation;
  // What is on its way is waited for, and a secret is closed by its own button alone.
  const keeps = isPending || (isSuccess && act.secret !== undefined);
  const end = () => settle(isSuccess ? sentence(act, data) : null);
  return (
    <Dialog.Root
      open
      disablePointerDismissal
      onOpenChange={(open, details) => {
        if (open) return;
        if (keeps && details.reason === "escape-key") details.cancel();
        else end();
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup
          className="dialog act"
          finalFocus={() => (trigger.isConnected ? trigger : document.getElementById("main"))}
        >
          <Dialog.Title className="dialog-title">{act.title}</Dialog.Title>
          {isSuccess ? (
            <Outcome act={act} answer={data} onEnd={end} />
          ) : (
            <Question
              act={act}
              busy={isPending}
              error={mutation.error}
              onConfirm={(values) => mutation.mutate(values)}
            />
          )}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

const sentence = <Answer,>({ done }: Act<Answer>, answer: Answer) =>
  typeof done === "string" ? done : done(answer);

/** Sends the requests of one question. Each has a key of its own, under which it can be sent again. */
function sender(session: Session): Send {
  const keys = new Map<string, string>();
  return (method, path, body) => {
    const what = JSON.stringify([method, path, body]);
    const idempotencyKey = keys.get(what) ?? newKey();
    keys.set(what, idempotencyKey);
    return request(method, path, session.key, { body, idempotencyKey });
  };
}

// `crypto.randomUUID` is there only where the page came over TLS or from this machine.
const newKey = () =>
  `console-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

function Question<Answer>({
  act,
  busy,
  error,
  onConfirm,
}: {
  readonly act: Act<Answer>;
  readonly busy: boolean;
  readonly error: Error | null;
  readonly onConfirm: (values: Values) => void;
}) {
  const fields = act.fields ?? [];
  const [values, setValues] = useState<Values>(() =>
    Object.fromEntries(fields.map((field) => [field.name, firstValue(field)])),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy) onConfirm(values);
  };
  return (
    <form className="act-form" onSubmit={submit}>
      <Dialog.Description render={<div />} className="act-says">
        {act.says}
      </Dialog.Description>
      {fields
        .filter(({ when }) => when === undefined || when(values))
        .map((field) => (
          <ActField
            key={field.name}
            field={field}
            value={values[field.name] ?? ""}
            onChange={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
      {error !== null && <Problem error={error} />}
      <div className="act-buttons">
        <Dialog.Close className="button" disabled={busy}>
          Cancel
        </Dialog.Close>
        <button
          className={act.grave ? "button primary grave" : "button primary"}
          type="submit"
          aria-disabled={busy}
        >
          {busy ? "Working…" : (act.confirm ?? act.name)}
        </button>
      </div>
    </form>
  );
}

function firstValue({ kind, initial, options }: Field): string {
  return initial ?? (kind === "choice" ? (options?.[0]?.[0] ?? "") : "");
}

function Outcome<Answer>({
  act,
  answer,
  onEnd,
}: {
  readonly act: Act<Answer>;
  readonly answer: Answer;
  readonly onEnd: () => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <>
      <div className="act-outcome" ref={place} tabIndex={-1}>
        <p>
          <strong>{sentence(act, answer)}</strong>
        </p>
        {act.secret !== undefined && <Secret text={act.secret(answer)} label={act.secretLabel} />}
        {act.outcome?.(answer)}
      </div>
      <div className="act-buttons">
        <button className="button primary" type="button" onClick={onEnd}>
          {act.secret === undefined ? "Close" : "I have kept it"}
        </button>
      </div>
    </>
  );
}
