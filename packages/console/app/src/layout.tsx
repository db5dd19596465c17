import { Dialog } from "@base-ui/react/dialog";
import type { KeyScope } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { Link, type LinkProps, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { accountQuery } from "./queries.ts";
import { may, useSession } from "./session.ts";
import { SessionMenu } from "./session-menu.tsx";
import { Mark } from "./sign-in.tsx";
import { ActHost } from "./ui/acts.tsx";
import { Loading, Problem } from "./ui/states.tsx";
import { Name } from "./ui/values.tsx";

interface Place {
  readonly to: LinkProps["to"];
  readonly name: string;
  readonly scope: KeyScope;
}

const PLACES: readonly (readonly [string, readonly Place[]])[] = [
  [
    "Usage",
    [
      { to: "/", name: "Overview", scope: "usage:read" },
      { to: "/events", name: "Events", scope: "usage:read" },
      { to: "/agents", name: "Agents", scope: "agents:read" },
      { to: "/meters", name: "Meters and prices", scope: "meters:read" },
    ],
  ],
  [
    "Billing",
    [
      { to: "/customers", name: "Customers", scope: "customers:read" },
      { to: "/periods", name: "Periods", scope: "billing:read" },
      { to: "/invoices", name: "Invoices", scope: "billing:read" },
    ],
  ],
  [
    "Account",
    [
      { to: "/webhooks", name: "Webhooks", scope: "webhooks:read" },
      { to: "/keys", name: "Keys", scope: "keys:read" },
      { to: "/audit", name: "Audit log", scope: "audit:read" },
      { to: "/settings", name: "Settings", scope: "account:read" },
      { to: "/health", name: "Health", scope: "account:read" },
    ],
  ],
];

/** Frame of every page: the way to the others, and whose data it is, in which mode. */
export function Layout() {
  const session = useSession();
  const account = useQuery(accountQuery());
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const first = useRef(path);
  useEffect(() => {
    // Who uses no mouse goes on at the new page, not where the old one was left.
    if (first.current !== path) main.current?.focus({ preventScroll: true });
    first.current = path;
  }, [path]);
  const name = account.data?.name ?? "Licentric";
  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      {session.mode === "test" && (
        <section className="test-banner" aria-label="Mode">
          <strong>Test data.</strong> Nothing here is charged.
        </section>
      )}
      <div className="shell">
        <aside className="side">
          <div className="side-head">
            <Mark />
            <Name>{name}</Name>
          </div>
          <Places />
          <SessionMenu />
        </aside>
        <header className="top">
          <Drawer name={name} />
          <Name>{name}</Name>
          <SessionMenu />
        </header>
        <main className="content" id="main" ref={main} tabIndex={-1}>
          {account.data !== undefined ? (
            <>
              <Outlet />
              <ActHost />
            </>
          ) : account.error !== null ? (
            <Problem error={account.error} onRetry={() => void account.refetch()} />
          ) : (
            <Loading />
          )}
        </main>
      </div>
    </>
  );
}

function Places({ onGo }: { readonly onGo?: () => void }) {
  const session = useSession();
  return (
    <nav className="places" aria-label="Pages of the console">
      {PLACES.map(([group, places]) => {
        const open = places.filter(({ scope }) => may(session, scope));
        if (open.length === 0) return null;
        return (
          <div key={group}>
            <h2 className="places-group">{group}</h2>
            <ul>
              {open.map(({ to, name }) => (
                <li key={name}>
                  <Link to={to} activeOptions={{ exact: to === "/", includeSearch: false }} onClick={onGo}>
                    {name}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

/** The same on a narrow screen, behind a button. */
function Drawer({ name }: { readonly name: string }) {
  const [open, setOpen] = useState(false);
  return (
    <Dialog.Root open={open} onOpenChange={setOpen}>
      <Dialog.Trigger className="button icon" aria-label="Menu">
        <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
          <path d="M3 6h14M3 10h14M3 14h14" className="stroke" />
        </svg>
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="drawer">
          <Dialog.Title className="side-head">
            <Mark />
            <Name>{name}</Name>
          </Dialog.Title>
          <Places onGo={() => setOpen(false)} />
          <Dialog.Close className="button">Close</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
