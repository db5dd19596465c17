import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Page } from "./page.tsx";
import { Empty, Problem } from "./states.tsx";

/** The page for an address that is none. */
export function NotFound() {
  return (
    <Page title="There is no such page">
      <Empty title="This address is not one of the console's.">
        <Link to="/">Go to the overview</Link>
      </Empty>
    </Page>
  );
}

/** The page for a fault of the console's own. */
export function Lost({ error }: ErrorComponentProps) {
  return (
    <main className="content">
      <Problem
        error={error instanceof Error ? error : new Error(String(error))}
        onRetry={() => window.location.reload()}
      />
    </main>
  );
}
