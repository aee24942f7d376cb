using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Persistence;

/// <summary>
/// The folder on the disk: made with mode 0700, files 0600, and a lock that keeps a second daemon
/// out.
/// </summary>
/// <remarks>
/// The lock is the kernel's (flock(2)), not the number in the file: it ends with the process,
/// however that ends. The lock file stays: deleting it would let two daemons lock two files of one
/// name.
/// <list type="bullet">
/// <item>F1. Everything is done to the folder that was taken, not to what its path leads to by now.
/// So a store whose folder was replaced touches nothing of whoever has the other one.</item>
/// <item>F2. A sync succeeds only while the path leads to this folder, and in it the names of the
/// lock and of the file that was synced to the files that are held. So what is confirmed is what
/// the next daemon finds.</item>
/// <item>F3. When they do not, the next file that is made takes the folder of the path first, lock
/// included. A file that is found there under a name of ours is kept under another one.</item>
/// <item>F4. <c>_gate</c> guards all fields: a compaction and an append may meet here.</item>
/// </list>
/// On systems other than Linux the folder is neither checked nor synced (not verified there).
/// </remarks>
internal sealed class StateFolder(string path) : IStateFolder
{
    private const string LockName = "portmap.lock";
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, StateFile> _files = [];
    private OpenFolder? _folder;
    private SafeFileHandle? _lock;
    private bool _isLost;

    /// <summary>In one spelling: a slash at its end would follow a link, and hide whose that is, and
    /// be one more name to those who count the folders above.</summary>
    public string Path { get; } = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));

    public void Take()
    {
        try
        {
            TakeFirst();
        }
        catch (Exception exception) when (FolderTrouble.IsOfFolder(Path, exception))
        {
            FolderTrouble.Refusal(Path, exception).Throw();   // nothing was read or written yet, so it is not the disk
        }
    }

    public IStateFile? Open(string name)
    {
        lock (_gate)
        {
            return Taken().Open(name) is { } file ? Known(file, name) : null;
        }
    }

    public IStateFile Create(string name)
    {
        lock (_gate)
        {
            if (_isLost || Complaint(null) is not null)
            {
                TakeAgain();
            }

            return Known(Taken().Create(name), name);
        }
    }

    public void Rename(string from, string to)
    {
        lock (_gate)
        {
            KeepWhatIsNotOurs(to);
            Taken().Rename(from, to);
            if (_files.Remove(from, out StateFile? file))
            {
                file.Name = to;
                _files[to] = file;
            }
        }
    }

    public void Delete(string name)
    {
        lock (_gate)
        {
            Taken().Delete(name);
        }
    }

    public void Sync()
    {
        OpenFolder folder;
        lock (_gate)
        {
            folder = Taken();
        }

        folder.Sync();
        EnsureStillThere(null);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            GiveBack();
            _isLost = false;
        }
    }

    private void TakeFirst()
    {
        lock (_gate)
        {
            ParentFolders.Make(Path, lasts: () => File.Exists(At(FilePortStore.FileName)));
            Check();
            _folder = new OpenFolder(Path);
            try
            {
                _lock = LockIn(_folder);
                EnsureStillThere(null);
            }
            catch
            {
                GiveBack();
                throw;
            }

            _isLost = false;
            RandomAccess.SetLength(_lock, 0);
            RandomAccess.Write(_lock, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n")), 0);
        }
    }

    /// <summary>
    /// Fails unless the path leads to this folder, with its lock and with that file.
    /// </summary>
    internal void EnsureStillThere(StateFile? file)
    {
        lock (_gate)
        {
            _ = Taken();
            if (Complaint(file) is { } complaint)
            {
                throw new StateMovedException(complaint);
            }
        }
    }

    /// <summary>The file is closed.</summary>
    internal void Forget(StateFile file)
    {
        lock (_gate)
        {
            if (_files.TryGetValue(file.Name, out StateFile? known) && ReferenceEquals(known, file))
            {
                _files.Remove(file.Name);
            }
        }
    }

    private OpenFolder Taken() => _folder ?? throw new StateMovedException($"The folder {Path} is not held any more.");

    /// <summary>What is not as it was left, in words; null when all is.</summary>
    private string? Complaint(StateFile? file)
    {
        if (!OperatingSystem.IsLinux() || _folder is null || _lock is null)
        {
            return null;
        }

        return !_folder.IsAtItsPath ? $"{Path} is not the folder any more that this daemon took: it was moved, deleted, replaced or mounted over."
            : !IsAt(LockName, _lock) ? Moved(LockName)
            : file is not null && !IsAt(file.Name, file.Handle) ? Moved(file.Name)
            : null;
    }

    private string Moved(string name) => $"{At(name)} is not the file any more that this daemon made: it was moved, deleted or replaced.";

    private bool IsAt(string name, SafeFileHandle file) =>
        Posix.Status(At(name), follow: true)?.Identity == Posix.Status(file, At(name)).Identity;

    private void TakeAgain()
    {
        _isLost = true;
        GiveBack();
        try
        {
            Take();
        }
        catch (PortRefusedException e)
        {
            throw new StateMovedException($"The state folder was moved, deleted or replaced, and cannot be taken again: {e.Refusal.Message}");
        }

        // Of a copy that was put there: it is taken again until that is gone.
        _isLost = true;
        Taken().Delete(SettledMark.Name);
        _isLost = false;
    }

    /// <summary>
    /// A file that somebody else has put under a name of ours may hold what another daemon has
    /// confirmed meanwhile.
    /// </summary>
    private void KeepWhatIsNotOurs(string name)
    {
        if (!OperatingSystem.IsLinux() || Posix.Status(At(name), follow: true) is null
            || (_files.TryGetValue(name, out StateFile? known) && IsAt(name, known.Handle)))
        {
            return;
        }

        Taken().Delete(SettledMark.Name);   // came with it, if it is there, and says nothing of what this one writes
        for (int i = 1; !TryKeep(name, string.Create(CultureInfo.InvariantCulture, $"{name}.found-{i}")); i++)
        {
            // the name of an earlier one
        }
    }

    private bool TryKeep(string name, string other)
    {
        try
        {
            return Taken().TryLink(name, other);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Copy(At(name), At(other), overwrite: true);   // a file system without second names
            return true;
        }
    }

    private StateFile Known(SafeFileHandle handle, string name) => _files[name] = new StateFile(this, handle, name);

    private SafeFileHandle LockIn(OpenFolder folder)
    {
        SafeFileHandle file;
        try
        {
            file = folder.OpenAlone(LockName);
        }
        catch (IOException e) when (Errno.IsLocked(e))
        {
            throw InUse();
        }

        if (OperatingSystem.IsLinux() && !Posix.TryLock(file, At(LockName)))
        {
            file.Dispose();
            throw InUse();
        }

        return file;
    }

    private PortRefusedException InUse() => new(StoreRefusals.StateInUse($"The state in {Path}", Holder(At(LockName))));

    private void GiveBack()
    {
        if (OperatingSystem.IsLinux() && _lock is { IsClosed: false } file)
        {
            Posix.Unlock(file);
        }

        _lock?.Dispose();
        _folder?.Dispose();
        (_lock, _folder) = (null, null);
    }

    /// <summary>
    /// Refuses a folder in which somebody else could put files under our names: what is in the
    /// state decides who gets which port.
    /// </summary>
    private void Check()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        PosixFile folder = StatusOf(Path);
        UnixFileMode mode = folder.Permissions;
        string? complaint =
            ForeignLink.On(Path) is { } link ? string.Create(CultureInfo.InvariantCulture, $"is {(link.Path == Path ? string.Empty : $"reached over {link.Path}, ")}a link that user {link.UserId} made")
            : !folder.IsOursOrRoots ? string.Create(CultureInfo.InvariantCulture, $"belongs to user {folder.UserId}")
            : (mode & OthersWrite) != 0 ? string.Create(CultureInfo.InvariantCulture, $"may be written to by others (mode {Convert.ToString((int)mode, 8)})")
            : null;
        if (complaint is not null)
        {
            StoreRefusals.FolderNotTrusted(Path, complaint).Throw();
        }
    }

    private static PosixFile StatusOf(string path) =>
        Posix.Status(path, follow: true) ?? throw new DirectoryNotFoundException($"There is no '{path}' any more.");

    /// <summary>
    /// Who has locked the folder, or 0 when his number cannot be read or is that of a dead process.
    /// </summary>
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
