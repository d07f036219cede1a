export { Bones } from "./Bones.tsx";
export { Empty } from "./Empty.tsx";
export { IconButton } from "./IconButton.tsx";
export { Keys } from "./Keys.tsx";
export { Mark } from "./Mark.tsx";
export { Ring } from "./Ring.tsx";
export { VirtualList } from "./VirtualList.tsx";
export { cssVariablesResolver, theme } from "./theme.ts";
