// Starts reveal.js, fills the frames of the slide that is shown, and follows the talk while it is served.
"use strict";
(() => {
  // How often a program that does not run is looked for again, and the talk's version asked for.
  const LOOK_MS = 1500;
  const upright = matchMedia("(max-width: 600px) and (orientation: portrait)").matches;
  if (upright) document.querySelector(".reveal").classList.add("upright");

  Reveal.initialize({
    width: upright ? 460 : 1280,
    height: upright ? 900 : 720,
    margin: 0.05,
    hash: true,
    slideNumber: "c/t",
    controlsTutorial: false,
    transition: "none",
    // The upright shape takes the place of reveal.js's own view for narrow screens.
    scrollActivationWidth: null,
    pdfSeparateFragments: false,
    plugins: [RevealHighlight, RevealNotes],
  }).then(() => {
    Reveal.on("slidechanged", showFrames);
    showFrames();
    setInterval(showFrames, LOOK_MS);
    if (document.body.dataset.version) setInterval(follow, LOOK_MS);
    document.addEventListener("pointermove", takeKeysBack);
  });

  // A frame is only alive on the slide that is shown: its program keeps a connection open for it.
  // The speaker's window and a printed page show none.
  function showFrames() {
    const still = Reveal.isSpeakerNotes() || Reveal.isPrintView();
    const shown = still || document.hidden ? null : Reveal.getCurrentSlide();
    for (const frame of document.querySelectorAll(".frame")) {
      const page = frame.querySelector("iframe");
      if (!shown || !shown.contains(frame)) {
        // A hidden tab keeps what it shows; another slide does not.
        if (page && !document.hidden) page.remove();
      } else if (!page) {
        open(frame);
      }
      frame.querySelector(".start").hidden = frame.querySelector("iframe") !== null;
    }
  }

  function open(frame) {
    if (frame.dataset.asking) return;
    frame.dataset.asking = "yes";
    // Whether anybody answers is all that may be known of another program, and all that matters.
    fetch(frame.dataset.url, { mode: "no-cors", cache: "no-store" }).then(() => {
      delete frame.dataset.asking;
      if (frame.querySelector("iframe") || !Reveal.getCurrentSlide().contains(frame)) return;
      const page = document.createElement("iframe");
      page.title = frame.querySelector("figcaption").textContent;
      page.src = frame.dataset.url;
      frame.querySelector(".window").append(page);
      frame.querySelector(".start").hidden = true;
    }, () => { delete frame.dataset.asking; });
  }

  // A click in a frame gives it the keyboard; moving the pointer out of it takes the keyboard back.
  function takeKeysBack() {
    if (!(document.activeElement instanceof HTMLIFrameElement)) return;
    document.activeElement.blur();
    window.focus();
  }

  function follow() {
    if (document.hidden || Reveal.isSpeakerNotes()) return;
    fetch("version", { cache: "no-store" }).then((answer) => answer.text()).then((version) => {
      if (version !== document.body.dataset.version) location.reload();
    }, () => { /* The deck was stopped; what is shown stays. */ });
  }
})();
