import { useRouterState } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { type Act, ask, settle, useActs } from "../acts/act.ts";
import { may, useSession } from "../session.ts";
import { visible } from "../text.ts";
import type { Column } from "./table.tsx";

// biome-ignore lint/suspicious/noExplicitAny: whoever makes an act knows its answer, and nobody else looks at it.
type AnyAct = Act<any>;

const load = () => import("./act-dialog.tsx");
const ActDialog = lazy(load);

/** Buttons of the changes that the session's key may make; nothing where it may make none. */
export function Acts({
  acts,
  small,
  children,
}: {
  readonly acts: readonly (AnyAct | false)[];
  /** As in a table. */
  readonly small?: boolean;
  /** Further buttons, of what changes nothing. */
  readonly children?: ReactNode;
}) {
  const session = useSession();
  const allowed = acts.filter((act) => act !== false).filter(({ scope }) => may(session, scope));
  if (allowed.length === 0 && children === undefined) return null;
  return (
    <div className="acts">
      {children}
      {allowed.map((act) => (
        <button
          key={act.name}
          type="button"
          className={small ? "button small" : "button"}
          aria-haspopup="dialog"
          onPointerEnter={() => void load()}
          onClick={({ currentTarget }) => ask({ act, trigger: currentTarget })}
        >
          {act.name}
          {act.of !== undefined && <span className="visually-hidden"> {visible(act.of)}</span>}
        </button>
      ))}
    </div>
  );
}

/** The column with the changes of each row; none where the key may make none of them. */
export function useActsColumn<Row>(
  scope: AnyAct["scope"],
  actsOf: (row: Row) => readonly (AnyAct | false)[],
): readonly Column<Row>[] {
  const session = useSession();
  if (!may(session, scope)) return [];
  return [{ head: "Change", cell: (row) => <Acts small acts={actsOf(row)} /> }];
}

/** Place of the one question that is open, and of the sentence about what was done. It outlives the rows of a table. */
export function ActHost() {
  const { asked, done } = useActs();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page has questions of its own.
  useEffect(() => () => settle(null), [path]);
  return (
    <>
      {asked !== null && (
        <Suspense fallback={null}>
          <ActDialog act={asked.act} trigger={asked.trigger} />
        </Suspense>
      )}
      <div role="status" className="done-place">
        {done !== null && (
          <div className="done">
            <span>{visible(done)}</span>
            <button type="button" className="button small" onClick={() => settle(null)}>
              Close<span className="visually-hidden"> this message</span>
            </button>
          </div>
        )}
      </div>
    </>
  );
}
