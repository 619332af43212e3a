// The picture by keys: what a mouse can do, keys can.

const TURN = Math.PI / 24;
const MOVE = 40;
const ZOOM = 0.88;

export function connectKeyboard(canvas, picture, photos) {
  const { controls } = picture;
  const turn = {
    ArrowLeft: () => controls.rotateLeft(TURN),
    ArrowRight: () => controls.rotateLeft(-TURN),
    ArrowUp: () => controls.rotateUp(TURN),
    ArrowDown: () => controls.rotateUp(-TURN),
  };
  const move = {
    ArrowLeft: () => controls.pan(MOVE, 0),
    ArrowRight: () => controls.pan(-MOVE, 0),
    ArrowUp: () => controls.pan(0, MOVE),
    ArrowDown: () => controls.pan(0, -MOVE),
  };
  const other = {
    "+": () => controls.dollyIn(ZOOM),
    "=": () => controls.dollyIn(ZOOM),
    "-": () => controls.dollyOut(ZOOM),
    _: () => controls.dollyOut(ZOOM),
    r: () => photos.reset(),
    Home: () => photos.reset(),
    n: () => photos.step(1),
    p: () => photos.step(-1),
    Escape: () => photos.leave(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = (event.shiftKey ? move[key] : turn[key]) ?? other[key];
    if (!action) return;
    event.preventDefault();
    if (key in turn || key in move) photos.leave();
    action();
    picture.draw();
  });
}
