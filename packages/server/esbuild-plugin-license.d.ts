/** What of the package is used: its own declarations are not found where a package's `exports` count. */
declare module "esbuild-plugin-license" {
  interface Dependency {
    readonly packageJson: { readonly name?: string; readonly version?: string };
    readonly licenseText: string;
  }

  interface Options {
    readonly banner?: string;
    readonly thirdParty?: {
      readonly output?: { readonly file: string; readonly template: (dependencies: Dependency[]) => string };
    };
  }

  export default function license(
    options?: Options,
  ): NonNullable<import("tsup").Options["esbuildPlugins"]>[number];
}
