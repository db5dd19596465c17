// Express 4 under a name of its own: its types are Express 5's, as far as the tests use them.
declare module "express4" {
  import express from "express";
  export default express;
}
