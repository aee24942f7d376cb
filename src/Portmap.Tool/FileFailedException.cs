namespace Portmap.Tool;

/// <summary>A file or folder cannot be read or written, which is no word about a daemon.</summary>
#pragma warning disable CA1032, CA1064 // thrown in few places, caught in one
internal class FileFailedException(string message, Exception reason) : IOException(message, reason)
{
    public FileFailedException(Exception reason)
        : this(reason.Message, reason)
    {
    }

    /// <summary>Does something with files.</summary>
    /// <exception cref="FileFailedException">It did not go well.</exception>
    public static T Try<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (IOException exception)
        {
            throw new FileFailedException(exception);
        }
    }
}
