// The controls beside the picture.
import { byId } from "./elements.js";

const PANEL_MARGIN = 16;
const LEGENDS = {
  1: "Dark purple: least sure. Yellow: surest.",
  2: "Blue: measured from the photos. Orange: guessed by the network.",
};

export function connectPanel({ data, picture, clouds, frusta }) {
  const kinds = Object.keys(clouds);
  const shown = () => clouds[byId("cloud").value] ?? clouds[kinds[0]];
  const measuredIsKnown = () => shown()?.described.measured_from != null;

  const update = () => {
    const percentile = Number(byId("percentile").value);
    byId("percentile-value").value = `${percentile} %`;
    byId("size-value").value = `${byId("size").value} %`;
    picture.pointSize = Number(byId("size").value) / 100;
    for (const cloud of Object.values(clouds)) {
      cloud.object.visible = cloud === shown();
      cloud.showSurest(percentile, byId("guessed").checked || !measuredIsKnown());
      cloud.uniforms.coloring.value = Number(byId("coloring").value);
    }
    byId("guessed-row").hidden = !measuredIsKnown();
    byId("coloring-measured").hidden = !measuredIsKnown();
    frusta.show({ cameras: byId("cameras").checked, photos: byId("photos").checked });
    const legend = LEGENDS[byId("coloring").value];
    byId("legend").hidden = !legend;
    byId("legend").textContent = legend ?? "";
    showStatus();
    picture.draw();
  };

  const showStatus = () => {
    const cloud = shown();
    if (!cloud) return;
    const { num_shown: inPage, num_points: all } = cloud.described;
    const number = (value) => value.toLocaleString("en");
    const rest = all > inPage ? ` The scene has ${number(all)}.` : "";
    byId("status").textContent = `${number(cloud.numDrawn)} of ${number(inPage)} points drawn.${rest}`;
  };

  // What was measured has been checked against the other photos already: all of it is shown, and
  // what was guessed on demand. Of guesses alone the least sure ones are left out.
  byId("percentile").value = measuredIsKnown() ? 0 : data.percentile;
  byId("cloud-row").hidden = kinds.length < 2;
  for (const id of ["percentile-row", "size-row", "coloring-row"]) {
    byId(id).hidden = kinds.length === 0;
  }
  for (const id of ["percentile", "size", "cloud", "coloring", "guessed", "cameras", "photos"]) {
    byId(id).addEventListener("input", update);
  }
  byId("fullscreen").hidden = !document.fullscreenEnabled;
  byId("fullscreen").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.querySelector(".stage").requestFullscreen();
  });
  const narrow = window.matchMedia("(max-width: 700px)");
  const panel = byId("panel");
  if (narrow.matches) panel.open = false;
  const makeRoom = () => {
    picture.cover(panel.open && !narrow.matches ? panel.offsetWidth + PANEL_MARGIN : 0);
  };
  panel.addEventListener("toggle", makeRoom);
  narrow.addEventListener("change", makeRoom);
  makeRoom();
  update();
  return { update, showStatus };
}
