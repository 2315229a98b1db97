// The package has no types of its own.
declare module "node-gyp-build" {
  const nodeGypBuild: {
    /** The addon below a package's root: of its build, or of its prebuilds for this platform. */
    path(packageRoot: string): string;
  };
  export default nodeGypBuild;
}
