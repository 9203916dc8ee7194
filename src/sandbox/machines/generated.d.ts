// The output of `build.ts`.
declare module "*/generated/runner.bin" {
  const bytes: ArrayBuffer;
  export default bytes;
}
declare module "*/generated/version.txt" {
  const text: string;
  export default text;
}
declare module "*/generated/image.txt" {
  const text: string;
  export default text;
}
