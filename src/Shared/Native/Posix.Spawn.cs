using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Portmap.Native;

// Starting a program with descriptors of this process. .NET's own start passes none, and to clear
// close-on-exec for it would pass them to whatever else is started at that moment.
internal static partial class Posix
{
    private const int DuplicateCloseOnExec = 1030;   // F_DUPFD_CLOEXEC
    private const short SetSignalDefaults = 0x04, SetSignalMask = 0x08;
    private const int OpaqueSize = 1_024, SignalSetSize = 128;   // more than any libc needs
    private const int BrokenPipe = 13;   // SIGPIPE, which .NET ignores, and what is ignored is inherited
    private const int FirstPassed = 3;
    private const int GetFlags = 3, SetFlagsTo = 4, NonBlocking = 0x800;   // F_GETFL, F_SETFL, O_NONBLOCK

    /// <summary>Starts a program that finds the descriptors as its 3, 4, …, and none of this
    /// process's else but 0, 1 and 2.</summary>
    /// <remarks>They block, as those of systemd do: O_NONBLOCK is of what is passed and not of the
    /// descriptor, so the program that had it before may have left it on.</remarks>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, the zeroth too.</param>
    /// <param name="environment">NAME=VALUE of each variable.</param>
    /// <param name="descriptors">What is passed.</param>
    /// <returns>Its id. It is a child of this process, to be waited for by
    /// <see cref="WaitFor"/>.</returns>
    /// <exception cref="Win32Exception">It was not started.</exception>
    public static int Spawn(string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, IReadOnlyList<SafeHandle> descriptors)
    {
        byte[] actions = new byte[OpaqueSize], attributes = new byte[OpaqueSize], signals = new byte[SignalSetSize];
        List<int> high = [];   // above the numbers that they get, or one would be written over before it is passed
        nint[] texts = [.. arguments.Concat(environment).Select(Marshal.StringToCoTaskMemUTF8)];
        ThrowIfFailed(InitializeActions(actions));
        ThrowIfFailed(InitializeAttributes(attributes));
        try
        {
            for (int i = 0; i < descriptors.Count; i++)
            {
                high.Add(Duplicate(descriptors[i], DuplicateCloseOnExec, FirstPassed + descriptors.Count));
                ThrowIfFailed(high[i] < 0 || !TrySetBlocking(high[i]) ? Marshal.GetLastPInvokeError() : AddDuplicate(actions, high[i], FirstPassed + i));
            }

            EmptySignals(signals);
            ThrowIfFailed(SetMask(attributes, signals));
            AddSignal(signals, BrokenPipe);
            ThrowIfFailed(SetDefaults(attributes, signals));
            ThrowIfFailed(SetFlags(attributes, SetSignalDefaults | SetSignalMask));
            nint[] argv = [.. texts[..arguments.Count], 0], envp = [.. texts[arguments.Count..], 0];
            ThrowIfFailed(Spawn(out int processId, path, actions, attributes, argv, envp));
            return processId;
        }
        finally
        {
            high.Where(descriptor => descriptor >= 0).ToList().ForEach(CloseDescriptor);
            _ = DestroyActions(actions);
            _ = DestroyAttributes(attributes);
            Array.ForEach(texts, Marshal.FreeCoTaskMem);
        }
    }

    /// <summary>Blocks until a child that <see cref="Spawn(string, IReadOnlyList{string},
    /// IReadOnlyList{string}, IReadOnlyList{SafeHandle})"/> started has ended, and takes it out of
    /// the list of processes.</summary>
    public static void WaitFor(int processId)
    {
        while (WaitForChild(processId, out _, 0) < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted)
        {
            // A signal came first.
        }
    }

    private static bool TrySetBlocking(int descriptor) =>
        Control(descriptor, GetFlags, 0) is >= 0 and int flags && Control(descriptor, SetFlagsTo, flags & ~NonBlocking) >= 0;

    private static void ThrowIfFailed(int error)
    {
        if (error != 0)
        {
            throw new Win32Exception(error);
        }
    }

    [LibraryImport(LibC, EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Duplicate(SafeHandle descriptor, int command, int least);

    [LibraryImport(LibC, EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int descriptor, int command, int value);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_init")]
    private static partial int InitializeActions(byte[] actions);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static partial int AddDuplicate(byte[] actions, int descriptor, int number);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_destroy")]
    private static partial int DestroyActions(byte[] actions);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_init")]
    private static partial int InitializeAttributes(byte[] attributes);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setsigmask")]
    private static partial int SetMask(byte[] attributes, byte[] signals);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setsigdefault")]
    private static partial int SetDefaults(byte[] attributes, byte[] signals);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setflags")]
    private static partial int SetFlags(byte[] attributes, short flags);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_destroy")]
    private static partial int DestroyAttributes(byte[] attributes);

    [LibraryImport(LibC, EntryPoint = "sigemptyset")]
    private static partial int EmptySignals(byte[] signals);

    [LibraryImport(LibC, EntryPoint = "sigaddset")]
    private static partial int AddSignal(byte[] signals, int signal);

    [LibraryImport(LibC, EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Spawn(out int processId, string path, byte[] actions, byte[] attributes, nint[] arguments, nint[] environment);

    [LibraryImport(LibC, EntryPoint = "waitpid", SetLastError = true)]
    private static partial int WaitForChild(int processId, out int status, int options);
}
