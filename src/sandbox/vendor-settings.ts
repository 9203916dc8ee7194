/** The settings that a deployment needs to use the machines of a vendor, besides its `PUBLIC_URL`. */
export const VENDOR_SETTINGS = {
  daytona: ["DAYTONA_API_KEY"],
  e2b: ["E2B_API_KEY"],
  fly: ["FLY_API_TOKEN", "FLY_APPS"],
  modal: ["MODAL_ENDPOINT_URL", "MODAL_KEY", "MODAL_SECRET"],
} as const;
