// Builds the picture, or says why there is none.
import { Cloud } from "./clouds.js";
import { byId, readJson } from "./elements.js";
import { Frusta } from "./frusta.js";
import { connectKeyboard } from "./keyboard.js";
import { connectPanel } from "./panel.js";
import { Photos } from "./photos.js";
import { createRenderer, Picture } from "./picture.js";
import { connectTheme, isDark } from "./theme.js";

function readClouds(data) {
  const clouds = {};
  for (const [kind, described] of Object.entries(data.clouds)) {
    if (described) clouds[kind] = new Cloud(described, kind);
  }
  return clouds;
}

// The first part of the points at once, the others while a person already looks.
function loadPoints(clouds, changed) {
  const more = Object.values(clouds).map((cloud) => cloud.addChunk());
  changed();
  if (more.some(Boolean)) setTimeout(() => loadPoints(clouds, changed), 0);
  else document.documentElement.dataset.ready = "true";
}

function start() {
  const renderer = createRenderer(byId("picture"));
  if (!renderer) {
    document.body.classList.add("without-picture");
    byId("no-picture").hidden = false;
    connectTheme(byId("theme"), () => {});
    return;
  }
  const data = readJson("scene-data");
  const clouds = readClouds(data);
  const frusta = new Frusta(data.cameras);
  const picture = new Picture(renderer, data, clouds, frusta);
  connectTheme(byId("theme"), () => picture.setTheme(isDark()));
  const panel = connectPanel({ data, picture, clouds, frusta });
  picture.show(picture.start());
  const photos = new Photos(picture, frusta, panel.update);
  connectKeyboard(picture.canvas, picture, photos);
  loadPoints(clouds, panel.update);
  const images = [...document.querySelectorAll(".strip > li")].map((card) =>
    card.querySelector("img.photo"),
  );
  frusta.loadPhotos(images, () => picture.draw()).then(() => {
    document.documentElement.dataset.photos = "true";
  });
}

start();
