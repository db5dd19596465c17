/** Where the package is: this file is one folder below it, in `src` as in `dist`. */
export const packageDirectory = new URL("../", import.meta.url);
