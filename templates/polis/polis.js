// Makes the pages live. Without these scripts a reload shows the same.
import { startLive } from "./live.js";
import { startTabs } from "./tabs.js";
import { startKeys } from "./keys.js";
import { startCopying } from "./copy.js";
import { startPins } from "./pins.js";

startTabs();
startPins();
startCopying();
startKeys();
startLive();
