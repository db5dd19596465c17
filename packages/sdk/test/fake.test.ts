import { describeContract } from "./contract-suite.ts";
import { fakeApi } from "./fake-api.ts";
import { serveHandlers } from "./serve-handlers.ts";

const apiKey = "lk_test_fakefakefakefake";

describeContract("the fake", async () => {
  const server = await serveHandlers(fakeApi(apiKey));
  return { baseUrl: server.url, apiKey, close: server.close };
});
