/** Prefix of every `_meta` key that the paywall reads or writes. */
export const META_PREFIX = "com.licentric/";
