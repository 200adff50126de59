// A phone's photo, made small enough for a bad network before it is saved and sent.

const LONGEST_SIDE = 1600;
const QUALITY = 0.82;

/**
 * @param {File} file
 * @returns {Promise<Blob>} JPEG; the file itself where this browser can't read it
 */
export async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' });
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const blob = await new Promise((/** @type {(b: Blob | null) => void} */ resolve) => {
      canvas.toBlob(resolve, 'image/jpeg', QUALITY);
    });
    return blob ?? file;
  } catch {
    return file;
  }
}
