"use strict";
// The token comes after # in the address, which browsers send nowhere; it leaves the address bar at once.
const token = decodeURIComponent(location.hash.slice(1));
if (token) history.replaceState(null, "", location.pathname);
const at = (id) => document.getElementById(id);
const SHOWN = 5, FOLLOWS = "The answers follow the webcam.";
let picture = null, asked = 0, stream = null, explains = false, label = "";

function headers(more) {
  return token ? { ...more, Authorization: "Bearer " + token } : more;
}

async function ask(path, options) {
  const answer = await fetch(path, { ...options, headers: headers(options.headers || {}) });
  if (answer.ok) return answer;
  let reason = "The server answered " + answer.status + ".";
  try { reason = (await answer.json()).message || reason; } catch { /* no sentence came with it */ }
  throw new Error(reason);
}

function say(words, bad) {
  at("status").textContent = words;
  at("status").classList.toggle("bad", Boolean(bad));
}

function percent(value) {
  if (value > 0 && value < 0.001) return "< 0.1 %";
  if (value > 0.999 && value < 1) return "> 99.9 %";
  return (100 * value).toFixed(1) + " %";
}

function show(found, live) {
  const predictions = found.predictions, unknown = found.unknown === true;
  at("classes").replaceChildren(...predictions.slice(0, SHOWN).map((item) => {
    const line = document.createElement("li"), row = document.createElement("div");
    const name = document.createElement("span"), figure = document.createElement("span");
    const bar = document.createElement("progress");
    name.textContent = item.label;
    figure.textContent = percent(item.probability);
    bar.max = 1;
    bar.value = item.probability;
    bar.setAttribute("aria-label", item.label);
    row.className = "row";
    row.append(name, figure);
    line.append(row, bar);
    return line;
  }));
  label = predictions[0].label;
  at("why").hidden = live || !explains;
  const words = label + ", " + percent(predictions[0].probability) + " sure";
  if (unknown) say("Unknown: unlike what the model learned. It would say " + words);
  else say(live ? FOLLOWS : words);
}

async function classify(blob, live) {
  const number = ++asked;
  try {
    const kind = blob.type.startsWith("image/") ? blob.type : "application/x-image";
    const answer = await ask("invocations", {
      method: "POST", body: blob, headers: { "Content-Type": kind, Accept: "application/json" },
    });
    const found = await answer.json();
    if (number === asked) show(found, live);
  } catch (error) {
    if (number === asked) say(error.message, true);
  }
}

function forget() {
  at("why").setAttribute("aria-pressed", "false");
  at("overlay").hidden = true;
  at("note").textContent = "";
}

function take(blob) {
  if (!blob) return;
  stopWebcam();
  forget();
  picture = blob;
  at("classes").replaceChildren();
  at("why").hidden = true;
  URL.revokeObjectURL(at("picture").src);
  at("picture").src = URL.createObjectURL(blob);
  at("shown").hidden = false;
  say("Looking…");
  classify(blob, false);
}

async function why() {
  const on = at("why").getAttribute("aria-pressed") !== "true";
  forget();
  if (!on) return;
  at("why").setAttribute("aria-pressed", "true");
  at("note").textContent = "Covering parts of the picture, one after another…";
  const about = picture;
  try {
    const answer = await ask("explain?label=" + encodeURIComponent(label), { method: "POST", body: about });
    const overlay = await answer.blob();
    if (about !== picture || at("why").getAttribute("aria-pressed") !== "true") return;
    URL.revokeObjectURL(at("overlay").src);
    at("overlay").src = URL.createObjectURL(overlay);
    at("overlay").hidden = false;
    at("note").textContent = "Warm colours: covering this spot makes the model less sure of " + label + ".";
  } catch (error) {
    forget();
    say(error.message, true);
  }
}

function stopWebcam() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  at("video").hidden = true;
  at("webcam").setAttribute("aria-pressed", "false");
}

async function webcam() {
  if (stream) { stopWebcam(); say(""); return; }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    say("The webcam cannot be used: " + error.message, true);
    return;
  }
  forget();
  at("shown").hidden = true;
  at("video").srcObject = stream;
  at("video").hidden = false;
  at("webcam").setAttribute("aria-pressed", "true");
  say(FOLLOWS);
  await at("video").play();
  const canvas = document.createElement("canvas");
  while (stream) {
    canvas.width = at("video").videoWidth;
    canvas.height = at("video").videoHeight;
    canvas.getContext("2d").drawImage(at("video"), 0, 0);
    const frame = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    if (stream && frame) await classify(frame, true);
    await new Promise((done) => setTimeout(done, 200));
  }
}

for (const id of ["file", "photo"]) {
  at(id).addEventListener("change", () => { take(at(id).files[0]); at(id).value = ""; });
}
document.addEventListener("paste", (event) => {
  take([...event.clipboardData.files].find((file) => file.type.startsWith("image/")));
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
}
document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) take(file);
  else say("Drop the picture itself: only its address arrived.", true);
});
at("why").addEventListener("click", why);
at("webcam").addEventListener("click", webcam);
at("webcam").hidden = !(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);

ask("model", {}).then((answer) => answer.json()).then((model) => {
  explains = model.explains;
  at("model").textContent = model.name + (model.classes.length ? " knows: " + model.classes.join(", ") : "");
}).catch((error) => say(error.message, true));
