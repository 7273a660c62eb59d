// Makes the pages live. Without these scripts, a reload shows the same.
import { startCopying } from "./copy.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startMoves } from "./moves.js";
import { startDetail } from "./pages.js";

startDetail();
startCopying();
startMoves();
startKeys();
startLive();
