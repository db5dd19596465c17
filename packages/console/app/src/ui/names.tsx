import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ApiError } from "../api.ts";
import { month } from "../format.ts";
import { agentQuery, customerQuery, metersQuery, periodQuery, useMoneyAndTime } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { Name, None } from "./values.tsx";

const KEPT = 300_000;

const isGone = (error: Error | null) => error instanceof ApiError && error.status === 404;

/** The name of an agent, as the way to its page. */
export function AgentName({ id }: { readonly id: string }) {
  const session = useSession();
  const { data, error } = useQuery({
    ...agentQuery(id),
    staleTime: KEPT,
    enabled: may(session, "agents:read"),
  });
  if (isGone(error)) return <None>Deleted agent</None>;
  if (data === undefined) return <Pending what="Agent" />;
  return (
    <Link to="/agents/$agentId" params={{ agentId: id }}>
      <Name>{data.name}</Name>
    </Link>
  );
}

/** The name of a payer, as the way to its page: a customer's, or that the account itself pays. */
export function PayerName({ id }: { readonly id: string | null }) {
  return id === null ? <None>Your account</None> : <CustomerName id={id} />;
}

function CustomerName({ id }: { readonly id: string }) {
  const session = useSession();
  const { data, error } = useQuery({
    ...customerQuery(id),
    staleTime: KEPT,
    enabled: may(session, "customers:read"),
  });
  if (isGone(error)) return <None>Deleted customer</None>;
  if (data === undefined) return <Pending what="Customer" />;
  return (
    <Link to="/customers/$customerId" params={{ customerId: id }}>
      <Name>{data.name}</Name>
    </Link>
  );
}

/** The month of a period, as the way to its page. */
export function PeriodName({ id }: { readonly id: string }) {
  const { timeZone } = useMoneyAndTime();
  const { data } = useQuery({ ...periodQuery(id), staleTime: KEPT });
  if (data === undefined) return <Pending what="Period" />;
  return (
    <Link to="/periods/$periodId" params={{ periodId: id }}>
      {month(data.startsAt, data.timeZone ?? timeZone)}
    </Link>
  );
}

/** Name of a meter on invoices; its own name until that is known. */
export function MeterName({ name }: { readonly name: string }) {
  const { data } = useQuery(metersQuery());
  const meter = data?.find((one) => one.name === name);
  if (meter === undefined) return <Name>{name}</Name>;
  return (
    <Link to="/meters/$meterId" params={{ meterId: meter.id }} title={name}>
      <Name>{meter.displayName}</Name>
    </Link>
  );
}

function Pending({ what }: { readonly what: string }) {
  return <span className="muted">{what}</span>;
}
