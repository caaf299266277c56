namespace Samples;

/// <summary>Something the user can mend: its message is one sentence that says what was found, what is expected and what to do.</summary>
public sealed class UserError(string message) : Exception(message);
