namespace Portmap.Tool;

/// <summary>What comes instead of an answer: the connection ends, or what answers is not understood.</summary>
internal static class NoAnswer
{
    public static bool Is(Exception exception) => exception is IOException or InvalidDataException;

    public static string Message(Exception exception) => exception is InvalidDataException
        ? $"The answer cannot be read, perhaps because the daemon is of another version: {exception.Message}"
        : exception.Message;
}
