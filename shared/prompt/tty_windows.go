package prompt

const ttyName = "CONIN$"
