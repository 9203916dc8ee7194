import image from "./generated/image.txt";
import archive from "./generated/runner.bin";
import version from "./generated/version.txt";

/** The directory of the runner in a machine. */
export const RUNNER_DIR = "/opt/rigger";

/** The runner as a gzipped tar archive, which is unpacked in `RUNNER_DIR`. */
export const runnerArchive: Uint8Array<ArrayBuffer> = new Uint8Array(archive);

/** The version of the runner in the archive. A machine has it in `RUNNER_DIR/version`. */
export const runnerVersion: string = version;

/** Identifies the image of the deployment's own containers: a hash of what it is made from. */
export const imageVersion: string = image;
