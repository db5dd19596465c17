// Set-up of the unit tests, which stand beside the sources that they test: they start no process, open no connection
// and run no database. This holds them to it, so that they stay fast, and pass on any machine.
import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { Socket, type TcpSocketConnectOpts } from "node:net";
import { vi } from "vitest";

const fault = (deed: string) =>
  new Error(`A unit test ${deed}: move it to the "test" folder of its package.`);

const refuseProcess = () => {
  throw fault("starts a process");
};
Object.assign(childProcess, {
  spawnSync: refuseProcess,
  execSync: refuseProcess,
  execFileSync: refuseProcess,
});
// What all the others come down to.
Object.assign(childProcess.ChildProcess.prototype, { spawn: refuseProcess });
syncBuiltinESMExports();

const connect: (this: Socket, options: TcpSocketConnectOpts) => Socket = Socket.prototype.connect;
Socket.prototype.connect = function () {
  // It fails as a connection does whose host is not found: later, and to whoever listens.
  return connect.call(this, {
    host: "unit-test.invalid",
    port: 1,
    lookup: (_host, _options, done) => done(fault("opens a connection"), ""),
  });
};

vi.mock("../../packages/server/src/store/embedded-postgres.ts", async (importOriginal) => ({
  ...(await importOriginal<object>()),
  startPostgres: async () => {
    throw fault("starts the embedded database");
  },
}));
