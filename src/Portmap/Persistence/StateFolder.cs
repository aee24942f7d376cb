using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Portmap.Processes;

namespace Portmap.Persistence;

/// <summary>The folder on the disk: made with mode 0700, files 0600, and a lock that keeps a second daemon out.</summary>
/// <remarks>The lock is the kernel's (flock(2)), not the number in the file: it ends with the process, however that ends. The lock file stays: deleting
/// it would let two daemons lock two files of one name. On systems other than Linux the folder is neither checked nor synced (not verified there).</remarks>
internal sealed class StateFolder(string path) : IStateFolder
{
    private const string LockName = "portmap.lock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>What .NET says when somebody has locked a file: EWOULDBLOCK of errno(3), or the code of Windows.</summary>
    private const int WouldBlock = 11, MacWouldBlock = 35, SharingViolation = unchecked((int)0x80070020);

    private FileStream? _lock;

    public string Path { get; } = System.IO.Path.GetFullPath(path);

    public void Take()
    {
        Make();
        Check();
        string lockPath = At(LockName);
        try
        {
            _lock = new FileStream(lockPath, Options(FileMode.OpenOrCreate, FileShare.None));
        }
        catch (IOException e) when (e.HResult is WouldBlock or MacWouldBlock or SharingViolation)
        {
            StoreRefusals.StateInUse($"The state in {Path}", Holder(lockPath)).Throw();
        }

        // .NET takes a file it could not lock, and can be told not to lock at all; two daemons on one state must not depend on that.
        if (OperatingSystem.IsLinux() && !Posix.TryLock(_lock.SafeFileHandle, lockPath))
        {
            StoreRefusals.StateInUse($"The state in {Path}", Holder(lockPath)).Throw();
        }

        _lock.SetLength(0);
        _lock.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n")));
    }

    public IStateFile? Open(string name)
    {
        try
        {
            SafeFileHandle file = File.OpenHandle(At(name), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(file, OwnerOnly);
            }

            return new StateFile(file);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    public IStateFile Create(string name)
    {
        // The stream only carries the mode; who has a handle of his own needs it no more.
        File.Delete(At(name));
        using (new FileStream(At(name), Options(FileMode.CreateNew, FileShare.ReadWrite | FileShare.Delete)))
        {
        }

        return Open(name) ?? throw new FileNotFoundException($"{At(name)} vanished as soon as it was made.");
    }

    public void Rename(string from, string to) => File.Move(At(from), At(to), overwrite: true);

    public void Delete(string name) => File.Delete(At(name));

    public void Sync() => Sync(Path);

    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    private static FileStreamOptions Options(FileMode mode, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return options;
    }

    private static void Sync(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            using SafeFileHandle folder = Posix.Open(path);
            RandomAccess.FlushToDisk(folder);
        }
    }

    private void Make()
    {
        if (Directory.Exists(Path))
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Path);
            return;
        }

        string? there = System.IO.Path.GetDirectoryName(Path);
        Stack<string> toSync = [];
        while (there is not null)
        {
            toSync.Push(there);   // a folder is a name too, in the folder above
            there = Directory.Exists(there) ? null : System.IO.Path.GetDirectoryName(there);
        }

        Directory.CreateDirectory(Path, OwnerOnly | UnixFileMode.UserExecute);
        foreach (string parent in toSync)
        {
            Sync(parent);
        }
    }

    /// <summary>Refuses a folder in which somebody else could put files under our names: what is in the state decides who gets which port.</summary>
    private void Check()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        (uint linkUser, _, bool isLink) = Posix.Stat(Path, follow: false);
        (uint user, UnixFileMode mode, _) = Posix.Stat(Path, follow: true);
        string? complaint =
            isLink && !IsTrusted(linkUser) ? string.Create(CultureInfo.InvariantCulture, $"is a link that user {linkUser} made")
            : !IsTrusted(user) ? string.Create(CultureInfo.InvariantCulture, $"belongs to user {user}")
            : (mode & OthersWrite) != 0 ? string.Create(CultureInfo.InvariantCulture, $"may be written to by others (mode {Convert.ToString((int)mode, 8)})")
            : null;
        if (complaint is not null)
        {
            StoreRefusals.FolderNotTrusted(Path, complaint).Throw();
        }
    }

    private static bool IsTrusted(uint user) => user == 0 || user == Posix.EffectiveUser;

    /// <summary>Who has locked the folder, or 0 when his number cannot be read or is that of a dead process.</summary>
    private static int Holder(string lockPath)
    {
        try
        {
            using SafeFileHandle file = OperatingSystem.IsLinux() ? Posix.Open(lockPath) : File.OpenHandle(lockPath);
            Span<byte> text = stackalloc byte[16];
            int length = RandomAccess.Read(file, text, 0);
            _ = Utf8Parser.TryParse(text[..length], out int holder, out _);
            ProcessIdentity.Of(holder, out bool isDead);
            return isDead ? 0 : holder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private string At(string name) => System.IO.Path.Combine(Path, name);
}
