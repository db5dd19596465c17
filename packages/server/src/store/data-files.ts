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

/** Attributes of a file that are changed besides its content. */
interface Attributes {
  readonly mode?: number;
  readonly size?: number;
}

/** Parts of emscripten's file system over Node's that are used or changed here. */
interface NodeFiles {
  realPath(node: unknown): string;
  readonly node_ops: {
    mknod(parent: unknown, name: string, mode: number, device: unknown): unknown;
    setattr(node: unknown, attributes: Attributes): void;
  };
  readonly stream_ops: {
    setattr(file: OpenFile, attributes: Attributes): void;
    open(file: OpenFile): void;
    write(file: OpenFile, ...what: readonly unknown[]): number;
    /** Missing in emscripten's own: its `fsync` then answers that all is well and does nothing. */
    fsync?: (file: OpenFile) => void;
  };
  tryFSOperation<T>(run: () => T): T;
  /** The number by which the program knows an error of Node's. */
  convertNodeCode(error: { readonly code: string }): number;
}

/** The rights of everybody but a file's owner. */
const OTHERS = 0o077;

/** 24 hexadecimal digits: a file of 16 MiB of the write-ahead log. */
const WAL_SEGMENT = /^[0-9A-F]{24}$/;

/**
 * The files of the embedded PostgreSQL, in a directory of Node's file system, for their owner alone. What PostgreSQL
 * syncs is on the disk when the call returns. PGlite's own {@link NodeFS} syncs nothing.
 */
export class DataFiles extends NodeFS {
  /** True once the disk had no room, until it is reset. */
  isFull = false;
  /** Number of files of the write-ahead log that were begun since the last checkpoint. */
  segments = 0;

  #segment = "";
  /** Files that are on the disk as they are, by inode: PostgreSQL syncs each of a thousand twice after a crash. */
  readonly #synced: Set<bigint>;
  /** Inodes by descriptor. */
  readonly #inodes = new Map<number, bigint>();
  #module: PostgresModule | null = null;

  /** @param synced are the inodes of files that have been synced and not written to since. */
  constructor(directory: string, synced: ReadonlySet<bigint> = new Set()) {
    super(directory);
    this.#synced = new Set(synced);
  }

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
    const { convertNodeCode } = files;
    closeToOthers(files);
    this.#noteChanges(files);
    files.stream_ops.fsync = (file) =>
      files.tryFSOperation(() => this.#sync(file, module.FS.isDir(file.node.mode)));
    // To PostgreSQL a quota that is used up is any error; a full disk is one that passes.
    files.convertNodeCode = (error) => {
      this.isFull ||= error.code === "ENOSPC" || error.code === "EDQUOT";
      return convertNodeCode(error.code === "EDQUOT" ? { code: "ENOSPC" } : error);
    };
  }

  /** Whatever changes a file's content passes here, or makes the file. */
  #noteChanges(files: NodeFiles): void {
    const { node_ops: nodes, stream_ops: streams } = files;
    const { mknod, setattr: setNode } = nodes;
    const { open, write, setattr: setFile } = streams;
    const changed = (file: OpenFile) => this.#synced.delete(this.#inodes.get(file.nfd ?? -1) ?? -1n);
    const changedAt = (path: string) => this.#synced.delete(fs.lstatSync(path, { bigint: true }).ino);
    streams.open = (file) => {
      open(file);
      if (file.nfd === undefined) return;
      this.#inodes.set(file.nfd, fs.fstatSync(file.nfd, { bigint: true }).ino);
      this.#countSegment(basename(file.path));
    };
    streams.write = (file, ...what) => {
      changed(file);
      return write(file, ...what);
    };
    streams.setattr = (file, attributes) => {
      if (attributes.size !== undefined) changed(file);
      setFile(file, attributes);
    };
    nodes.setattr = (node, attributes) => {
      if (attributes.size !== undefined) files.tryFSOperation(() => changedAt(files.realPath(node)));
      setNode(node, attributes);
    };
    nodes.mknod = (parent, name, mode, device) => {
      const node = mknod(parent, name, mode, device);
      files.tryFSOperation(() => changedAt(files.realPath(node)));
      return node;
    };
  }

  #sync({ nfd, path }: OpenFile, isDirectory: boolean): void {
    if (nfd === undefined) return;
    if (isDirectory) {
      // Windows has no such call, and needs none.
      if (process.platform !== "win32") fs.fsyncSync(nfd);
      return;
    }
    const inode = this.#inodes.get(nfd);
    if (inode !== undefined && this.#synced.has(inode)) return;
    // Files of the log are made with their full size, which leaves nothing of them to sync but their content.
    if (WAL_SEGMENT.test(basename(path))) fs.fdatasyncSync(nfd);
    else fs.fsyncSync(nfd);
    if (inode !== undefined) this.#synced.add(inode);
  }

  #countSegment(name: string): void {
    if (!WAL_SEGMENT.test(name) || name === this.#segment) return;
    this.#segment = name;
    this.segments += 1;
  }
}

/** PostgreSQL's own buffered files are made with the rights that the process gives, to others, too. */
function closeToOthers({ node_ops: nodes, stream_ops: files }: NodeFiles): void {
  const { mknod, setattr: setNode } = nodes;
  const { setattr: setFile } = files;
  const closed = (attributes: Attributes) =>
    attributes.mode === undefined ? attributes : { ...attributes, mode: attributes.mode & ~OTHERS };
  nodes.mknod = (parent, name, mode, device) => mknod(parent, name, mode & ~OTHERS, device);
  nodes.setattr = (node, attributes) => setNode(node, closed(attributes));
  files.setattr = (file, attributes) => setFile(file, closed(attributes));
}
