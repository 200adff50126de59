// A phone's photo, made small enough for a bad network. One that this browser can't draw goes as it
// is: the server may read it.

const LONGEST_SIDE = 1600;
const QUALITY = 0.82;
/** A very large picture may keep a small phone busy without end. */
const WITHIN_MS = 30000;

/**
 * @param {Blob} file
 * @returns {Promise<Blob>} JPEG; the file itself where this browser can't draw it
 */
export function shrink(file) {
  const late = new Promise((/** @type {(b: Blob) => void} */ resolve) => {
    setTimeout(() => resolve(file), WITHIN_MS);
  });
  return Promise.race([draw(file).catch(() => file), late]);
}

/** @param {Blob} file */
async function draw(file) {
  const { image, width, height, close } = await opened(file);
  try {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((/** @type {(b: Blob | null) => void} */ resolve) => {
      canvas.toBlob(resolve, 'image/jpeg', QUALITY);
    });
    return blob ?? file;
  } finally {
    close();
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<{image: CanvasImageSource, width: number, height: number, close: () => void}>}
 */
async function opened(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' });
    return { image: bitmap, width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
  } catch {
    // An image element draws a file that was cut off as far as it goes.
    const url = URL.createObjectURL(file);
    const image = new Image();
    const close = () => URL.revokeObjectURL(url);
    try {
      await new Promise((resolve, reject) => {
        image.onload = resolve;
        image.onerror = reject;
        image.src = url;
      });
    } catch (error) {
      close();
      throw error;
    }
    return { image, width: image.naturalWidth, height: image.naturalHeight, close };
  }
}
