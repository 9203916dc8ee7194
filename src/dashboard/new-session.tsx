export const NewSession = () => <h1 tabIndex={-1}>New session</h1>;
