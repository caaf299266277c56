namespace Memory.Gen;

/// <summary>Which tokens the window of a B'MOJO layer holds, <c>Window</c> being its number of tokens w.</summary>
public enum BMojoWindow
{
    /// <summary>
    /// The last w tokens, itself included. Slots are chosen every <c>RefreshTokens</c> tokens, so a token that has left the
    /// window is seen through the fading memory alone until then.
    /// </summary>
    Sliding,

    /// <summary>
    /// The chunk of w tokens that the token stands in, up to itself, and the whole chunk before. Slots are chosen where a chunk
    /// begins, from everything before that: no token is lost in between and none is seen twice.
    /// </summary>
    Blocked,
}
