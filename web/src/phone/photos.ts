// Photos on their way: made small enough to be sent over a bad network, and uploaded.

import { Refused, base } from "../lib/api";

const LONGEST_SIDE = 2560; // what the server keeps
const LARGEST_UNTOUCHED = 600_000;

/**
 * A photo as JPEG of what the server would keep anyway; HEIC that the browser cannot read, as it is.
 * Null for what is no photo.
 */
export async function madeSmall(file: Blob): Promise<Blob | null> {
  try {
    const image = await createImageBitmap(file, { imageOrientation: "from-image" });
    if (file.size <= LARGEST_UNTOUCHED && file.type === "image/jpeg") return file;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width * scale);
    canvas.height = Math.round(image.height * scale);
    const context = canvas.getContext("2d");
    if (!context) return file;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    image.close();
    const small = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    return small && small.size < file.size ? small : file;
  } catch {
    return (await isHeic(file)) ? file : null;
  }
}

// By the brand that such a file begins with (ISO/IEC 23008-12).
async function isHeic(file: Blob): Promise<boolean> {
  const head = await file.slice(4, 12).text();
  return /^ftyp(hei|hev|mif1|msf1)/.test(head);
}

/** Uploads it; doing so again changes nothing. Throws Refused. */
export async function upload(id: string, photo: Blob): Promise<void> {
  let answer: Response;
  try {
    answer = await fetch(new URL(`photos/${id}`, base), {
      method: "PUT",
      body: photo,
      headers: { "content-type": photo.type.startsWith("image/") ? photo.type : "application/octet-stream" },
      signal: AbortSignal.timeout(180_000),
    });
  } catch (error) {
    throw new Refused("OFFLINE", error instanceof Error ? error.message : String(error));
  }
  if (answer.ok) return;
  const body = (await answer.json().catch(() => null)) as {
    errors?: { message: string; extensions: { code: string } }[];
  } | null;
  const first = body?.errors?.[0];
  const passing = answer.status >= 500 || answer.status === 408;
  throw new Refused(
    passing ? "UNAVAILABLE" : (first?.extensions.code ?? "INVALID"),
    first?.message ?? `${answer.status}`,
  );
}
