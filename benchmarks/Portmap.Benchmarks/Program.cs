using BenchmarkDotNet.Running;

namespace Portmap.Benchmarks;

/// <summary>Runs the benchmarks: <c>-- --filter *Lookup*</c>, <c>-- --list flat</c>, and whatever
/// else BenchmarkDotNet takes; <c>-- quick</c> says within a minute who is faster, <c>-- ci</c>
/// guards the budgets, <c>-- charts</c> draws what stands in benchmarks/charts.</summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        if (args is ["ci", ..])
        {
            return Gate.GateRun.Run(args[1..], Console.Out);
        }

        if (args is ["quick", ..])
        {
            return Quick.QuickRun.Run(args[1..], Console.Out);
        }

        if (args is ["charts", ..])
        {
            return Reporting.ReportRun.Run(args[1..], Console.Out);
        }

        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        return 0;
    }
}
