using System.Globalization;
using System.Net.Sockets;
using Portmap.Native;

namespace Portmap.Rpc.Serving;

/// <summary>The file of a Unix socket: whose it is, and when it may be replaced.</summary>
/// <remarks>
/// <para>Two daemons that find the same leftover would each delete what the other has just made,
/// and a socket that is bound but not listening yet looks dead to a probe. So a daemon holds a lock
/// on <c>PATH.lock</c> as long as it lives. The lock file stays: deleting it would let two daemons
/// lock two files of one name.</para>
/// <para>Workers believe whoever listens at the path. So what is there already must be a socket of
/// our own: no link, and nothing of another user. Only Linux is asked; elsewhere the owner of a
/// file is not known. Of the folder see <see cref="SocketFolder"/>.</para>
/// </remarks>
internal static class SocketFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <exception cref="IOException">A live daemon holds it, it cannot be made or opened, or it is
    /// not ours.</exception>
    public static FileStream Lock(PortmapEndpoint endpoint, string path)
    {
        string lockPath = path + ".lock";
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        // A link would have us make or lock a file somewhere else.
        if (OperatingSystem.IsLinux() && PosixFile.At(lockPath, follow: false) is { } file && !(file.IsOrdinary && file.UserId == PosixFile.OwnUserId))
        {
            string why = file.IsOrdinary
                ? string.Create(CultureInfo.InvariantCulture, $"belongs to user {file.UserId}; this process is user {PosixFile.OwnUserId}. Stop the daemon of that user, then remove it, or choose another path.")
                : $"is {Describe(file)} and not ours to open; remove it or choose another path.";
            throw new IOException($"Cannot listen on {endpoint}: {lockPath} {why}");
        }

        try
        {
            return new FileStream(lockPath, options);
        }
        catch (IOException e) when (Errno.IsLocked(e))
        {
            throw Taken(endpoint, $"it holds the lock on {lockPath}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotListen(endpoint, e);
        }
    }

    /// <summary>Says why a Unix socket cannot be listened on, and what to do about that.</summary>
    /// <param name="endpoint">Which one.</param>
    /// <param name="cause">What failed.</param>
    public static IOException CannotListen(PortmapEndpoint endpoint, Exception cause)
    {
        string remedy = cause switch
        {
            IOException { HResult: Errno.TooManyOpen or Errno.TooManyInSystem } or SocketException { SocketErrorCode: SocketError.TooManyOpenSockets } => "Raise the limit of open files (ulimit -n, LimitNOFILE= of systemd; fs.file-max for the host), or close what is not used.",
            IOException { HResult: Errno.NoSpace or Errno.OverQuota } => "Free space on that disk, or choose another folder.",
            SocketException { SocketErrorCode: SocketError.NoBufferSpaceAvailable } => "Free memory, or raise the limit of the control group.",
            _ => "Choose a folder that exists and that this user may write to.",
        };
        return new IOException($"Cannot listen on {endpoint}: {cause.Message.TrimEnd('.')}. {remedy}", cause);
    }

    /// <summary>Removes the socket file of a daemon that is gone.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="IOException">Somebody listens on it, it is no socket, or it is not
    /// ours.</exception>
    public static bool RemoveLeftover(PortmapEndpoint endpoint, string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            if (!File.Exists(path))
            {
                return false;
            }
        }
        else
        {
            if (PosixFile.At(path, follow: false) is not { } file)
            {
                return false;
            }

            if (!file.IsSocket || file.UserId != PosixFile.OwnUserId)
            {
                throw new IOException($"Cannot listen on {endpoint}: the file is {Describe(file)} and is not ours to replace; choose another path.");
            }
        }

        // One that blocked would wait for a listener that takes nobody in.
        using (var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false })
        {
            try
            {
                probe.Connect(endpoint.EndPoint);
                throw Taken(endpoint, "it accepts connections", null);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                // Nobody listens. Elsewhere than on Linux an ordinary file has not been told from a
                // socket yet, and refuses the same way.
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
            {
                throw Taken(endpoint, "as many wait for it to accept them as the kernel lets wait", e);
            }
            catch (SocketException e)
            {
                throw new IOException($"Cannot tell whether a daemon listens on {endpoint}: {e.Message}. Remove the file if none does, or choose another path.", e);
            }
        }

        if (!OperatingSystem.IsLinux() && CanBeOpened(path))
        {
            throw new IOException($"Cannot listen on {endpoint}: the file is not a socket and is not ours to replace; choose another path.");
        }

        File.Delete(path);
        return true;
    }

    /// <summary>
    /// Removes the file of a socket that ends; one that cannot be removed is replaced by the next
    /// daemon.
    /// </summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder is gone or read-only.
        }
    }

    public static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    // A socket cannot be opened, whoever asks; everything that can be opened holds somebody's data
    // or leads to it.
    private static bool CanBeOpened(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string Describe(PosixFile file) => string.Create(
        CultureInfo.InvariantCulture,
        $"{(file.IsLink ? "a symbolic link" : file.IsFolder ? "a folder" : file.IsSocket ? "a socket" : "not a socket,")} of user {file.UserId}");

    private static IOException Taken(PortmapEndpoint endpoint, string evidence, Exception? inner) =>
        new($"A daemon lives on {endpoint} already ({evidence}); stop it or choose another path.", inner);
}
