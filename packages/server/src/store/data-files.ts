import fs from "node:fs";
import { basename } from "node:path";
import { NodeFS } from "@electric-sql/pglite/nodefs";

type Init = NodeFS["init"];
type PostgresModule = Parameters<NonNullable<Parameters<Init>[1]["preRun"]>[number]>[0];

/** A file that the embedded PostgreSQL has open. */
interface OpenFile {
  readonly path: string;
  readonly node: { readonly mode: number };
  /** The descriptor of the file that it stands for. */
  readonly nfd?: number;
}

/** What emscripten's file system over Node's is made of, as far as it is changed here. */
interface NodeFiles {
  readonly stream_ops: {
    open(file: OpenFile): void;
    /** Missing in emscripten's own: its `fsync` then answers that all is well and does nothing. */
    fsync?: (file: OpenFile) => void;
  };
  tryFSOperation<T>(run: () => T): T;
  /** The number by which the program knows an error of Node's. */
  convertNodeCode(error: { readonly code: string }): number;
}

/** 24 hexadecimal digits: a file of 16 MiB of the write-ahead log. */
const WAL_SEGMENT = /^[0-9A-F]{24}$/;

/**
 * The files of the embedded PostgreSQL, in a directory of Node's file system. What PostgreSQL syncs is on the disk
 * when the call returns. PGlite's own {@link NodeFS} syncs nothing.
 */
export class DataFiles extends NodeFS {
  /** Whether the disk had no room when it was last written to. */
  isFull = false;
  /** How many files of the write-ahead log were begun since the last checkpoint. */
  segments = 0;

  #segment = "";
  #module: PostgresModule | null = null;

  override async init(...[pg, options]: Parameters<Init>): ReturnType<Init> {
    const { emscriptenOpts } = await super.init(pg, options);
    const preRun = [...(emscriptenOpts.preRun ?? []), (module: PostgresModule) => this.#prepare(module)];
    return { emscriptenOpts: { ...emscriptenOpts, preRun } };
  }

  /** Closes what a PostgreSQL that has ended left open, and writes nothing. */
  release(): void {
    const files: readonly (OpenFile | null)[] = this.#module?.FS.streams ?? [];
    const descriptors = new Set(files.map((file) => file?.nfd));
    for (const descriptor of descriptors) if (descriptor !== undefined) fs.closeSync(descriptor);
    this.#module = null;
  }

  #prepare(module: PostgresModule): void {
    this.#module = module;
    const files: NodeFiles = module.NODEFS;
    const { open } = files.stream_ops;
    const { convertNodeCode } = files;
    files.stream_ops.open = (file) => {
      open(file);
      this.#opened(basename(file.path));
    };
    files.stream_ops.fsync = (file) =>
      files.tryFSOperation(() => {
        if (file.nfd === undefined) return;
        if (!module.FS.isDir(file.node.mode)) fs.fdatasyncSync(file.nfd);
        // Windows has no such call, and needs none.
        else if (process.platform !== "win32") fs.fsyncSync(file.nfd);
      });
    // To PostgreSQL a quota that is used up is any error; a full disk is one that passes.
    files.convertNodeCode = (error) => {
      this.isFull ||= error.code === "ENOSPC" || error.code === "EDQUOT";
      return convertNodeCode(error.code === "EDQUOT" ? { code: "ENOSPC" } : error);
    };
  }

  #opened(name: string): void {
    if (!WAL_SEGMENT.test(name) || name === this.#segment) return;
    this.#segment = name;
    this.segments += 1;
  }
}
