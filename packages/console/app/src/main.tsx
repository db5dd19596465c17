import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./queries.ts";
import { router } from "./router.tsx";
import { activeSession, signIn, useSignedIn } from "./session.ts";
import { SignIn } from "./sign-in.tsx";

/**
 * Takes the one-time code out of the address, before anything else sees it there. A tab that is signed in stays so: no
 * link of somebody else's shows another account in it.
 */
function takeCode(): void {
  const code = new URLSearchParams(window.location.hash.slice(1)).get("code");
  if (code === null) return;
  window.history.replaceState(null, "", window.location.pathname);
  if (activeSession() === null) void signIn(code);
}

function Console() {
  const signedIn = useSignedIn();
  const session = activeSession(signedIn);
  useEffect(() => {
    queryClient.removeQueries({ predicate: ({ queryKey: [id] }) => id !== session?.id });
  }, [session?.id]);
  if (session === null) return <SignIn signedIn={signedIn} />;
  return <RouterProvider router={router} key={session.id} />;
}

window.addEventListener("hashchange", takeCode);
takeCode();
const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={queryClient}>
          <Console />
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  );
}
