import type { ManagementKey } from "@licentric/contract";
import { getRouteApi } from "@tanstack/react-router";
import { createKey, revokeKey } from "../acts/keys.tsx";
import { useList } from "../queries.ts";
import { useSession } from "../session.ts";
import { visible } from "../text.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";
import { Badge, Day, Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/keys");

/** Management keys, this console's among them. */
export default function Keys() {
  const search = route.useSearch();
  const session = useSession();
  const query = useList<ManagementKey>("/api/v1/keys", { cursor: search.cursor });
  const acts = useActsColumn<ManagementKey>("keys:write", (key) => [revokeKey(key, session)]);
  return (
    <Page
      title="Keys"
      beside={<Acts acts={[createKey(session)]} />}
      lead={`Management keys for ${session.mode} data. Only their last characters can be shown: what is stored is a hash.`}
    >
      <List
        query={query}
        label="Management keys"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Name",
            wide: true,
            cell: ({ id, name, hint, createdAt }) => (
              <span className="stack">
                <span className="inline">
                  {name === null ? <None>Without a name</None> : <Name>{name}</Name>}
                  {id === session.id && <Badge tone="accent">This console</Badge>}
                </span>
                <span className="muted small">
                  Ends in {visible(hint)}, created <Day at={createdAt} />
                </span>
              </span>
            ),
          },
          { head: "Status", cell: (key) => <KeyBadge of={key} /> },
          {
            head: "May do",
            cell: ({ scopes }) =>
              scopes === null ? "Everything" : <Name lines={2}>{scopes.join(", ")}</Name>,
          },
          {
            head: "Last used",
            cell: ({ lastUsedAt }) =>
              lastUsedAt === null ? <None>Never</None> : <Time at={lastUsedAt} relative />,
          },
          {
            head: "Expires",
            cell: ({ expiresAt }) => (expiresAt === null ? <None>Never</None> : <Time at={expiresAt} />),
          },
          ...acts,
        ]}
        empty={
          <Empty title="No keys.">
            <Command>npx licentric keys create --name reporting</Command>
          </Empty>
        }
      />
    </Page>
  );
}

function KeyBadge({ of: { revokedAt, expiresAt } }: { readonly of: ManagementKey }) {
  if (revokedAt !== null) return <Badge tone="bad">Revoked</Badge>;
  if (expiresAt !== null && Date.parse(expiresAt) <= Date.now()) return <Badge>Ended</Badge>;
  return <Badge tone="good">Active</Badge>;
}
