// Which side, live or an exercise, this tab looked at last: kept until its person signs out, or
// comes in by a link, which says itself where it leads.

const SIDE = 'gridcommand.jurisdiction';

/** @returns {string | null} */
export const keptSide = () => sessionStorage.getItem(SIDE);

/** @param {string} jurisdiction */
export const keepSide = (jurisdiction) => sessionStorage.setItem(SIDE, jurisdiction);

export const forgetSide = () => sessionStorage.removeItem(SIDE);
