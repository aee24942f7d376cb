using System.Diagnostics;
using Portmap.TestKit.Processes;

namespace Portmap.Tests.Support;

/// <summary>A program in C, for what only one near to the kernel does.</summary>
internal static class CProgram
{
    /// <summary>Compiles it; returns its path.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="source">The program.</param>
    /// <param name="options">Of the compiler, such as -shared.</param>
    public static async Task<string> BuildAsync(TempFolder folder, string name, string source, params string[] options)
    {
        await File.WriteAllTextAsync(folder[$"{name}.c"], source).Within();
        using Process gcc = Process.Start("gcc", ["-O1", "-pthread", .. options, "-o", folder[name], folder[$"{name}.c"]]);
        await gcc.WaitForExitAsync().Within();
        gcc.ExitCode.Should().Be(0);
        return folder[name];
    }
}
