import type { Webhook } from "@licentric/contract";
import { Badge, Name, Time } from "./values.tsx";

/** State of a webhook: on, off with the reason, or failing since when. */
export function WebhookState({
  webhook: { enabled, disabledReason, failingSince },
}: {
  readonly webhook: Webhook;
}) {
  if (!enabled) {
    return (
      <span className="stack">
        <Badge tone="bad">Off</Badge>
        {disabledReason != null && <Name lines={3}>{disabledReason}</Name>}
      </span>
    );
  }
  if (failingSince == null) return <Badge tone="good">On</Badge>;
  return (
    <span className="stack">
      <Badge tone="warn">Failing</Badge>
      <span className="muted">
        since <Time at={failingSince} relative />
      </span>
    </span>
  );
}
