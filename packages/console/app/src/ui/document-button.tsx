import { useMutation } from "@tanstack/react-query";
import { requestFile } from "../api.ts";
import { useSession } from "../session.ts";
import { Problem } from "./states.tsx";

/** Saves an invoice as a document to print or to send. */
export function DocumentButton({ invoiceId, name }: { readonly invoiceId: string; readonly name: string }) {
  const session = useSession();
  const path = `/api/v1/billing/invoices/${encodeURIComponent(invoiceId)}/html`;
  const { mutate, error, isPending } = useMutation({
    mutationKey: [session.id],
    mutationFn: async () => save(await requestFile(path, session.key), name),
  });
  return (
    <>
      <button
        type="button"
        className="button"
        aria-disabled={isPending}
        onClick={() => !isPending && mutate()}
      >
        Save as document
      </button>
      {error !== null && <Problem error={error} />}
    </>
  );
}

/** Hands a file to the browser's downloads. */
function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
