/** Returns whether a text is the id of a session. No other text may name an object. */
export const isSessionId = (text: string): boolean => /^sess_[0-9a-f]{32}$/.test(text);
