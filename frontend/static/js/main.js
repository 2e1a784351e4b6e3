/** Entry of every page: each part does nothing where its marks are missing, and every page works without all of them. */
import { showCopies } from "./copy.js";
import { showLocalTimes } from "./times.js";
import { keepFresh } from "./refresh.js";
import { offerSignIn } from "./sign-in.js";
import { signForms } from "./sign.js";
import { watchWallet } from "./watch.js";
import { showCost } from "./ticket.js";
import { takeDrops } from "./drop.js";

/** @param {ParentNode} part */
function dress(part) {
  showLocalTimes(part);
  showCopies(part);
}

dress(document);
keepFresh(dress);
offerSignIn();
signForms();
watchWallet();
showCost();
takeDrops();
