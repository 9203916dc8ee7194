// The output of `build.ts`.
declare module "*/generated/memory.bin" {
  const bytes: ArrayBuffer;
  export default bytes;
}
declare module "*/generated/quickjs.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
