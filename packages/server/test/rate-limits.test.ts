import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { startTestApi } from "./support/api.ts";
import { describeOnEachDatabase, describeOnPostgres } from "./support/databases.ts";

describeOnEachDatabase("rate limits on $name", (database) => {
  const limited = { perCredential: 5, perAddress: 1_000 };

  it("refuses what is beyond a key's limit, and nobody else's requests", async () => {
    const api = await startTestApi(database, { rateLimits: limited });
    try {
      const time = 1_800_000_000_000;
      api.setTime(new Date(time));
      const { key, liveKey } = await api.createAccount();
      const answers = [];
      for (let call = 0; call < 7; call += 1)
        answers.push(await api.call("GET", "/api/v1/agents", { token: key }));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429]);
      expect(answers.map(({ headers }) => headers["x-ratelimit-remaining"])).toEqual([
        "4",
        "3",
        "2",
        "1",
        "0",
        "0",
        "0",
      ]);
      expect(answers.at(-1)).toMatchObject({
        body: { code: "RATE_LIMITED" },
        headers: {
          "retry-after": "60",
          "x-ratelimit-limit": "5",
          "x-ratelimit-reset": String(time / 1_000 + 60),
        },
      });
      expect((await api.call("GET", "/api/v1/agents", { token: liveKey })).status).toBe(200);
      api.setTime(new Date(time + 60_000));
      expect((await api.call("GET", "/api/v1/agents", { token: key })).status).toBe(200);
    } finally {
      await api.close();
    }
  }, 120_000);

  it("limits an address whatever it sends as a credential, but for the health checks", async () => {
    const api = await startTestApi(database, { rateLimits: { perAddress: 5 } });
    try {
      api.setTime("2027-01-01T00:00:00.000Z");
      const answers = [];
      for (let call = 0; call < 6; call += 1) {
        answers.push(
          await api.call("GET", "/api/v1/agents", { token: `lk_test_${randomBytes(32).toString("hex")}` }),
        );
      }
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429]);
      expect((await api.call("GET", "/healthz")).status).toBe(200);
    } finally {
      await api.close();
    }
  }, 120_000);

  it("takes a key for the same however its header is written, and a text of another form for none", async () => {
    const api = await startTestApi(database, { rateLimits: limited });
    try {
      api.setTime("2027-01-01T00:00:00.000Z");
      const { key } = await api.createAccount();
      const read = (authorization: string) =>
        api.call("GET", "/api/v1/agents", { headers: { authorization } });
      const written = [
        `Bearer ${key}`,
        `bearer ${key}`,
        `BEARER   ${key}`,
        `Bearer ${key} `,
        `bEARER ${key}`,
      ];
      for (const header of written) expect((await read(header)).status).toBe(200);
      expect((await read(`Bearer  ${key}`)).status).toBe(429);

      const ours = `lk_test_${randomBytes(32).toString("base64url")}`;
      for (const header of [`Basic ${key}`, "Bearer x", `Bearer ${ours}`, `Bearer ${key}x`, key]) {
        for (let call = 0; call < 6; call += 1) {
          expect(await read(header)).toMatchObject({ status: 401, headers: { "x-ratelimit-limit": "1000" } });
        }
      }
    } finally {
      await api.close();
    }
  }, 120_000);

  it.each([
    { trustedProxies: 0, ofAnother: "97" },
    { trustedProxies: 1, ofAnother: "99" },
    { trustedProxies: 2, ofAnother: "99" },
  ])(
    "believes $trustedProxies proxies about a caller's address",
    async ({ trustedProxies, ofAnother }) => {
      const api = await startTestApi(database, { rateLimits: { perAddress: 100 }, trustedProxies });
      try {
        api.setTime("2027-01-01T00:00:00.000Z");
        const remaining = async (forwarded: string) => {
          const headers = { "x-forwarded-for": forwarded };
          return (await api.call("GET", "/healthz", { headers })).headers["x-ratelimit-remaining"];
        };
        // What the caller itself writes stands before what the proxies add, and must not matter.
        const forwarded = ["203.0.113.7", "198.51.100.9"].slice(0, Math.max(1, trustedProxies)).join(", ");
        expect(await remaining(`10.0.0.1, ${forwarded}`)).toBe("99");
        expect(await remaining(`10.0.0.2, ${forwarded}`)).toBe("98");
        const another = `10.0.0.1, ${forwarded.replace("203.0.113.7", "203.0.113.8")}`;
        expect(await remaining(another)).toBe(ofAnother);
      } finally {
        await api.close();
      }
    },
    30_000,
  );

  it("only counts when limits are turned off", async () => {
    const api = await startTestApi(database, { rateLimits: { ...limited, enforced: false } });
    try {
      const { key } = await api.createAccount();
      for (let call = 0; call < 8; call += 1) {
        const answer = await api.call("GET", "/api/v1/agents", { token: key });
        expect(answer.status).toBe(200);
        expect(answer.headers["x-ratelimit-limit"]).toBe("5");
      }
    } finally {
      await api.close();
    }
  }, 120_000);
});

describeOnPostgres("rate limits of two processes", (database) => {
  it.each([{ perCredential: 10 }, { perAddress: 10 }])(
    "are one limit: %o",
    async (rateLimits) => {
      const api = await startTestApi(database, { rateLimits, backgroundInterval: 20 });
      const peer = await api.startPeer();
      try {
        api.setTime("2027-01-01T00:00:00.000Z");
        const { key } = await api.createAccount();
        for (let call = 0; call < 10; call += 1) await api.call("GET", "/api/v1/agents", { token: key });
        let sentToPeer = 0;
        const read = () => {
          sentToPeer += 1;
          return peer.call("GET", "/api/v1/agents", { token: key });
        };
        await expect.poll(async () => (await read()).status, { timeout: 5_000, interval: 200 }).toBe(429);
        // By itself it would have answered ten.
        expect(sentToPeer).toBeLessThanOrEqual(10);
      } finally {
        await peer.close();
        await api.close();
      }
    },
    120_000,
  );
});
