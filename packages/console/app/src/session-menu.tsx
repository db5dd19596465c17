import { Dialog } from "@base-ui/react/dialog";
import { Menu } from "@base-ui/react/menu";
import { useState } from "react";
import { ago } from "./format.ts";
import { type Session, signOut, switchTo, useSession, useSignedIn } from "./session.ts";
import { CodeForm } from "./sign-in.tsx";
import { Command } from "./ui/states.tsx";
import { ModeBadge } from "./ui/values.tsx";

/** Role and mode of the session, with the way to the other mode and out. */
export function SessionMenu() {
  const session = useSession();
  const { sessions, notice } = useSignedIn();
  const [asks, setAsks] = useState(false);
  const other = session.mode === "test" ? "live" : "test";
  const goTo = () => (sessions[other] === undefined ? setAsks(true) : switchTo(other));
  return (
    <>
      <Menu.Root>
        <Menu.Trigger className="button session">
          <ModeBadge mode={session.mode} />
          <span className="session-role">{roleOf(session)}</span>
          <span className="visually-hidden">Session menu</span>
          <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
            <path d="M3 4.5 6 7.5 9 4.5" className="stroke" />
          </svg>
        </Menu.Trigger>
        <Menu.Portal>
          <Menu.Positioner className="positioner" sideOffset={6} align="start">
            <Menu.Popup className="menu">
              <Menu.Group>
                <Menu.GroupLabel className="menu-label">
                  {roleOf(session)}. Ends {ago(session.expiresAt)}.
                </Menu.GroupLabel>
                <Menu.Item className="menu-item" onClick={goTo}>
                  Show {other} data
                </Menu.Item>
                <Menu.Item className="menu-item" onClick={() => void signOut(session)}>
                  Sign out
                </Menu.Item>
              </Menu.Group>
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      <Dialog.Root open={asks} onOpenChange={setAsks}>
        <Dialog.Portal>
          <Dialog.Backdrop className="backdrop" />
          <Dialog.Popup className="dialog">
            <Dialog.Title className="dialog-title">Show {other} data</Dialog.Title>
            <Dialog.Description className="muted">
              Test and live data never mix: each is read with a key of its own. With LICENTRIC_API_KEY set to
              a {other} key, this prints a link to paste here:
            </Dialog.Description>
            <Command>npx licentric console</Command>
            {notice !== null && (
              <p className="notice" role="alert">
                {notice}
              </p>
            )}
            <CodeForm />
            <Dialog.Close className="button">Close</Dialog.Close>
          </Dialog.Popup>
        </Dialog.Portal>
      </Dialog.Root>
    </>
  );
}

function roleOf({ scopes }: Session): string {
  if (scopes === null) return "Full access";
  return scopes.every((scope) => scope.endsWith(":read")) ? "Read only" : "Finance";
}
