using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Portmap.Tests.Support;

/// <summary>Another user, for the time of one action: the kernel has users for threads, only libc
/// makes them those of a process.</summary>
internal static class OtherUser
{
    public const uint Id = 65_534;

    /// <summary>Runs it on a thread of its own. Needs root.</summary>
    public static void Run(Action action)
    {
        ExceptionDispatchInfo? thrown = null;
        Thread thread = new(() =>
        {
            try
            {
                Become(Id);
                action();
            }
            catch (Exception exception)
            {
                thrown = ExceptionDispatchInfo.Capture(exception);
            }
            finally
            {
                Become(0);
            }
        });
        thread.Start();
        thread.Join(Deadline.Default).Should().BeTrue();
        thrown?.Throw();
    }

    private static void Become(uint user)
    {
        int setresuid = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 117 : 147;   // 147 where the numbers are those of all new machines
        Syscall(setresuid, uint.MaxValue, user, uint.MaxValue).Should().Be(0, "the effective user is set, and the others stay");
    }

    [DllImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Syscall(nint number, nuint realUser, nuint effectiveUser, nuint savedUser);
}
